"""A document's fields: which of them are text, and the template that makes one text of them."""
