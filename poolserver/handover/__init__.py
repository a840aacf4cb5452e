"""From one process of the pool to the next: rigs' connections, and all that is known of them."""
