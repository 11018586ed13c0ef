"""Takes orders from the queue and makes parcels of them."""

import json
import logging
import os
import time

import pika
import psycopg

logging.basicConfig(level=logging.INFO)
logging.getLogger("pika").setLevel(logging.ERROR)
log = logging.getLogger("shipping")


def ship(database, channel, method, _properties, body):
    order = json.loads(body)
    with database.transaction():
        database.execute("INSERT INTO parcels (order_id) VALUES (%s)", (order["id"],))
    channel.basic_ack(method.delivery_tag)
    log.info("order %s is on its way", order["id"])


def work():
    queue = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = queue.channel()
    channel.queue_declare("orders", durable=True)
    channel.basic_qos(prefetch_count=20)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        channel.basic_consume("orders", lambda *message: ship(database, *message))
        log.info("waiting for orders")
        channel.start_consuming()


while True:
    try:
        work()
    except Exception as problem:
        log.error("could not ship: %s", problem)
        time.sleep(1)
