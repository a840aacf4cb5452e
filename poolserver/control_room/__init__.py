"""What is known of the sites' power as it goes on, fed by the ledger, meters and signals."""
