"""The page's own words: one JSON file for each language, and the choice among them."""
