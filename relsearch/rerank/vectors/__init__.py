"""Document vectors kept from indexing time on, and how query and document meet in them."""
