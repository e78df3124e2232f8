"""The models under a judge: loaded by family, read batch by batch, adapted by LoRA."""
