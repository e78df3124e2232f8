"""What happens at search time: service, gateway, real engines, stored vectors, size."""
