"""The layers of an image: streams of verified members, and the tree that they make."""
