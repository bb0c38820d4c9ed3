"""A chat request and its replies, from what the page sent to the last character."""
