"""The client configuration for laptops on OLPC OS: RPM packages in a yum repository."""
