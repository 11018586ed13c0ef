-- What the shop knows. Catalog reads the first table, orders and shipping own one each of the others.
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, cents int NOT NULL);
INSERT INTO products SELECT n, 'product ' || n, 100 + n FROM generate_series(1, 500) AS n;
CREATE FUNCTION price_of(product int) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT cents FROM products WHERE id = product $$;
CREATE TABLE orders (id bigserial PRIMARY KEY, product int NOT NULL, cents int NOT NULL, at timestamptz DEFAULT now());
CREATE TABLE parcels (order_id bigint PRIMARY KEY, at timestamptz DEFAULT now());
