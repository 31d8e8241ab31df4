"""What images contain, learnt from the images alone: no machine boots."""
