"""Whether what is stored is as its definitions ask now: written before they did, or by others than them."""
