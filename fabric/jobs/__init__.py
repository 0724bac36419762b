"""Work that takes long, done beside answering: asked for, followed, cancelled, and gone on with by whoever is there."""
