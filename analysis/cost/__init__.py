"""What convolutions and whole networks cost: equations 1-5, closed forms, verification, and their pages."""
