"""Other networks: counted, lightened, and the pages about them."""
