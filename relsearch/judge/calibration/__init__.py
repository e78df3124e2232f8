"""From a model's score to a distribution over grades: the head, several signals as one, thresholds."""
