"""The page: layout, event handlers, controls, theme and static files."""
