"""The view "Look inside": its routes, and the endpoint `/trace` for programs."""
