"""Files: written whole or not at all, never over somebody else's, read whatever their bytes."""
