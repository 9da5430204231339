"""The watch over what is live: how fresh state is, and whether what is served still looks like what was trained on."""
