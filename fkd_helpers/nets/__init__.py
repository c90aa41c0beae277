"""Networks by name, backbones, losses, weights."""
