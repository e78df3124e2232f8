"""Statistics without a subject of their own: pure functions over arrays.

Any room above imports `bootstrap` (intervals over queries), `randomisation` (paired tests), `ordinal` (scores to
grades), `logistic` (calibrated probabilities), `laplace` (posteriors of effects), `deviation` and
`dealing` (folds).
"""
