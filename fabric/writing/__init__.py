"""Writing objects and links, each as labelled versions."""
