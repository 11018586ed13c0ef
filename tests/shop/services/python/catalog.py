"""Tells of products: the rows are in PostgreSQL, how often each was looked at in Redis."""

import logging
import os

import psycopg_pool
import redis
import waitress
from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO)
logging.getLogger("waitress").setLevel(logging.ERROR)
log = logging.getLogger("catalog")
app = Flask("catalog")
pool = psycopg_pool.ConnectionPool(os.environ["DATABASE_URL"], min_size=2, max_size=8, timeout=2)
views = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=1, socket_connect_timeout=1)


@app.get("/products/<int:product>")
def show(product):
    seen = views.incr(f"views:{product}")
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT name, price_of(id) FROM products WHERE id = %s", (product,)
        ).fetchone()
    if row is None:
        log.warning("no product has the number %s", product)
        return jsonify(error="no such product"), 404
    log.info("showed product %s", product)
    return jsonify(name=row[0], cents=row[1], seen=seen)


@app.errorhandler(Exception)
def fail(problem):
    log.error("could not show a product: %s", problem)
    return jsonify(error="try again later"), 500


waitress.serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8)
