//! The shop: fourteen services, what each of them answers, and whom it calls to do so.

use Call::{Cache, Maybe, Publish, Query, To};

/// Something a service does when it is asked.
pub(crate) struct Endpoint {
    pub(crate) service: &'static str,
    pub(crate) surface: Surface,
    /// *Units*: milliseconds of own work, the median of a log-normal distribution.
    pub(crate) work_ms: f64,
    /// Part of the requests that fail for no outside reason.
    pub(crate) error_ratio: f64,
    /// Made one after the other.
    pub(crate) calls: &'static [Call],
}

/// How an endpoint is reached.
#[derive(Clone, Copy)]
pub(crate) enum Surface {
    Http { method: &'static str, route: &'static str },
    Grpc { method: &'static str },
    Topic { name: &'static str },
}

/// One outgoing call of an endpoint.
pub(crate) enum Call {
    /// A call without which the caller fails; it is retried once.
    To(&'static Endpoint),
    /// A call whose failure the caller hides.
    Maybe(&'static Endpoint),
    /// A statement to PostgreSQL; its median time in milliseconds.
    Query { operation: &'static str, table: &'static str, text: &'static str, ms: f64 },
    /// A command to Redis.
    Cache { command: &'static str },
    /// A message for everyone who consumes the topic.
    Publish { topic: &'static str, consumers: &'static [&'static Endpoint] },
}

/// What customers do, with how often they do it.
pub(crate) static ENTRIES: [(&Endpoint, f64); 6] = [
    (&HOME, 30.0),
    (&PRODUCT_PAGE, 35.0),
    (&CART_PAGE, 12.0),
    (&ADD_TO_CART, 12.0),
    (&SHIPPING_QUOTE, 6.0),
    (&CHECKOUT_PAGE, 5.0),
];

/// Every service with the language it is written in.
pub(crate) static SERVICES: [(&str, &str); 14] = [
    ("frontend", "nodejs"),
    ("cart", "dotnet"),
    ("checkout", "go"),
    ("payment", "nodejs"),
    ("shipping", "rust"),
    ("email", "ruby"),
    ("currency", "cpp"),
    ("product-catalog", "go"),
    ("recommendation", "python"),
    ("ad", "java"),
    ("quote", "php"),
    ("fraud-detection", "java"),
    ("accounting", "dotnet"),
    ("inventory", "rust"),
];

const fn page(method: &'static str, route: &'static str, work_ms: f64, calls: &'static [Call]) -> Endpoint {
    Endpoint {
        service: "frontend",
        surface: Surface::Http { method, route },
        work_ms,
        error_ratio: 0.002,
        calls,
    }
}

const fn http(
    service: &'static str,
    method: &'static str,
    route: &'static str,
    work_ms: f64,
    calls: &'static [Call],
) -> Endpoint {
    Endpoint { service, surface: Surface::Http { method, route }, work_ms, error_ratio: 0.004, calls }
}

const fn grpc(service: &'static str, method: &'static str, work_ms: f64, calls: &'static [Call]) -> Endpoint {
    Endpoint { service, surface: Surface::Grpc { method }, work_ms, error_ratio: 0.003, calls }
}

const fn consumer(
    service: &'static str,
    name: &'static str,
    work_ms: f64,
    calls: &'static [Call],
) -> Endpoint {
    Endpoint { service, surface: Surface::Topic { name }, work_ms, error_ratio: 0.005, calls }
}

static HOME: Endpoint =
    page("GET", "/", 3.0, &[To(&LIST_PRODUCTS), To(&CURRENCIES), Maybe(&RECOMMENDATIONS), Maybe(&ADS)]);
static PRODUCT_PAGE: Endpoint = page(
    "GET",
    "/product/{id}",
    2.5,
    &[To(&GET_PRODUCT), To(&CONVERT), To(&GET_STOCK), Maybe(&RECOMMENDATIONS), Maybe(&ADS)],
);
static CART_PAGE: Endpoint = page("GET", "/cart", 2.0, &[To(&GET_CART), To(&GET_PRODUCT), To(&CONVERT)]);
static ADD_TO_CART: Endpoint = page("POST", "/cart", 1.5, &[To(&GET_PRODUCT), To(&ADD_ITEM)]);
static SHIPPING_QUOTE: Endpoint =
    page("GET", "/shipping", 1.5, &[To(&GET_CART), To(&GET_QUOTE), To(&CONVERT)]);
static CHECKOUT_PAGE: Endpoint = page("POST", "/checkout", 2.0, &[To(&PLACE_ORDER)]);

static LIST_PRODUCTS: Endpoint = grpc(
    "product-catalog",
    "shop.ProductCatalog/ListProducts",
    1.2,
    &[
        Cache { command: "GET" },
        Query {
            operation: "SELECT",
            table: "products",
            text: "SELECT id, name, price FROM products WHERE listed = $1 ORDER BY rank LIMIT $2",
            ms: 3.5,
        },
    ],
);
static GET_PRODUCT: Endpoint = grpc(
    "product-catalog",
    "shop.ProductCatalog/GetProduct",
    0.6,
    &[Query {
        operation: "SELECT",
        table: "products",
        text: "SELECT id, name, price, description FROM products WHERE id = $1",
        ms: 1.1,
    }],
);
static CURRENCIES: Endpoint =
    grpc("currency", "shop.Currency/GetSupportedCurrencies", 0.3, &[Cache { command: "SMEMBERS" }]);
static CONVERT: Endpoint = grpc("currency", "shop.Currency/Convert", 0.4, &[Cache { command: "HGET" }]);
static RECOMMENDATIONS: Endpoint =
    grpc("recommendation", "shop.Recommendation/ListRecommendations", 6.0, &[To(&LIST_PRODUCTS)]);
static ADS: Endpoint = grpc("ad", "shop.Ad/GetAds", 2.2, &[Cache { command: "MGET" }]);
static GET_STOCK: Endpoint = grpc(
    "inventory",
    "shop.Inventory/GetStock",
    0.5,
    &[Query {
        operation: "SELECT",
        table: "stock",
        text: "SELECT sum(units) FROM stock WHERE product_id = $1",
        ms: 1.4,
    }],
);
static RESERVE_STOCK: Endpoint = grpc(
    "inventory",
    "shop.Inventory/Reserve",
    0.8,
    &[Query {
        operation: "UPDATE",
        table: "stock",
        text: "UPDATE stock SET units = units - $1 WHERE product_id = $2 AND units >= $1",
        ms: 2.6,
    }],
);
static GET_CART: Endpoint = grpc("cart", "shop.Cart/GetCart", 0.7, &[Cache { command: "HGETALL" }]);
static ADD_ITEM: Endpoint = grpc("cart", "shop.Cart/AddItem", 0.8, &[Cache { command: "HSET" }]);
static EMPTY_CART: Endpoint = grpc("cart", "shop.Cart/EmptyCart", 0.5, &[Cache { command: "DEL" }]);
static GET_QUOTE: Endpoint = http("shipping", "POST", "/get-quote", 0.9, &[To(&CALCULATE_QUOTE)]);
static CALCULATE_QUOTE: Endpoint = http("quote", "POST", "/quote", 2.4, &[]);
static SHIP_ORDER: Endpoint = http(
    "shipping",
    "POST",
    "/ship-order",
    1.6,
    &[Query {
        operation: "INSERT",
        table: "shipments",
        text: "INSERT INTO shipments (order_id, address, carrier) VALUES ($1, $2, $3)",
        ms: 2.2,
    }],
);
static CHARGE: Endpoint = grpc(
    "payment",
    "shop.Payment/Charge",
    12.0,
    &[Query {
        operation: "INSERT",
        table: "transactions",
        text: "INSERT INTO transactions (id, card, amount, currency) VALUES ($1, $2, $3, $4)",
        ms: 2.8,
    }],
);
static SEND_CONFIRMATION: Endpoint = http("email", "POST", "/send-order-confirmation", 18.0, &[]);
static PLACE_ORDER: Endpoint = grpc(
    "checkout",
    "shop.Checkout/PlaceOrder",
    4.0,
    &[
        To(&GET_CART),
        To(&GET_PRODUCT),
        To(&CONVERT),
        To(&GET_QUOTE),
        To(&RESERVE_STOCK),
        To(&CHARGE),
        To(&SHIP_ORDER),
        To(&EMPTY_CART),
        Maybe(&SEND_CONFIRMATION),
        Publish { topic: "orders", consumers: &[&BOOK_ORDER, &SCORE_ORDER] },
    ],
);
static BOOK_ORDER: Endpoint = consumer(
    "accounting",
    "orders",
    2.0,
    &[Query {
        operation: "INSERT",
        table: "ledger",
        text: "INSERT INTO ledger (order_id, account, amount) VALUES ($1, $2, $3)",
        ms: 3.0,
    }],
);
static SCORE_ORDER: Endpoint = consumer("fraud-detection", "orders", 9.0, &[Cache { command: "GET" }]);

impl Endpoint {
    /// Tells whether a request here can come to the service.
    pub(crate) fn reaches(&self, service: &str) -> bool {
        self.service == service
            || self.calls.iter().any(|call| match call {
                To(endpoint) | Maybe(endpoint) => endpoint.reaches(service),
                Publish { consumers, .. } => consumers.iter().any(|endpoint| endpoint.reaches(service)),
                Query { .. } | Cache { .. } => false,
            })
    }

    /// Tells whether a request here can make a service send statements to its database.
    fn makes_query(&self, service: &str) -> bool {
        self.calls.iter().any(|call| match call {
            Query { .. } => self.service == service,
            To(endpoint) | Maybe(endpoint) => endpoint.makes_query(service),
            Publish { consumers, .. } => consumers.iter().any(|endpoint| endpoint.makes_query(service)),
            Cache { .. } => false,
        })
    }
}

/// Tells whether a service ever sends statements to a database.
pub(crate) fn queries(service: &str) -> bool {
    ENTRIES.iter().any(|(entry, _)| entry.makes_query(service))
}

/// Returns the position of a service in [`SERVICES`].
pub(crate) fn service_index(name: &str) -> Option<usize> {
    SERVICES.iter().position(|(service, _)| *service == name)
}
