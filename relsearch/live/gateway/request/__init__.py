"""What a client's search asks for: its body, its words, its window."""
