"""Customers: each looks at a product, or orders one, once in a second."""

import random

from locust import FastHttpUser, constant_throughput, task


class Customer(FastHttpUser):
    wait_time = constant_throughput(1)
    connection_timeout = network_timeout = 10

    @task(3)
    def browse(self):
        self.client.get(f"/products/{random.randint(1, 500)}", name="/products")

    @task(1)
    def order(self):
        body = {"product": random.randint(1, 500), "cents": random.randint(100, 99999)}
        self.client.post("/orders", json=body)
