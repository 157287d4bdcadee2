//! Host names of requests and what tenant name they carry. Never asks a registry.
