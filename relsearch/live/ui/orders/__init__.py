"""Orders of a query's passages: where they come from, how two differ, and which of two people prefer."""
