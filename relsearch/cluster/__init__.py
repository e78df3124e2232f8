"""Work on many machines, by Ray Data, and processes that train together, by torch.distributed."""
