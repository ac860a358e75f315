"""What each client needs to start this server: one table, from which `config` and the README are written."""
