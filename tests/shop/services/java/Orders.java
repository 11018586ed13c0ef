import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Takes orders: has them paid, keeps them in PostgreSQL and tells RabbitMQ that they are to be shipped. */
public final class Orders {
    private static final Logger LOG = Logger.getLogger("orders");
    private static final Pattern FIELD = Pattern.compile("\"(product|cents)\"\\s*:\\s*(\\d+)");
    /** As long as this file is there, every eighth order keeps its connection: the leak. */
    private static final Path LEAK = Path.of("leak");

    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final HikariDataSource database;
    private final Channel queue;
    private final String paymentsUrl = System.getenv("PAYMENTS_URL");
    private final AtomicLong taken = new AtomicLong();
    private final List<Connection> leaked = new ArrayList<>();

    private Orders() throws Exception {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(System.getenv("DATABASE_URL"));
        config.setUsername("shop");
        config.setMaximumPoolSize(8);
        config.setConnectionTimeout(2000);
        database = new HikariDataSource(config);
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv("AMQP_URL"));
        queue = factory.newConnection().createChannel();
        queue.queueDeclare("orders", true, false, false, null);
    }

    public static void main(String[] args) throws Exception {
        Orders orders = new Orders();
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 64);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/orders", orders::answer);
        server.start();
        LOG.info("taking orders");
    }

    private void answer(HttpExchange exchange) throws IOException {
        int status = 201;
        String body;
        try {
            body = "{\"order\":" + take(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8)) + "}";
        } catch (Exception problem) {
            LOG.log(Level.SEVERE, "could not take an order: " + problem);
            status = 500;
            body = "{\"error\":\"try again later\"}";
        }
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("content-type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    private long take(String body) throws Exception {
        long product = 0;
        long cents = 0;
        Matcher fields = FIELD.matcher(body);
        while (fields.find()) {
            long value = Long.parseLong(fields.group(2));
            if (fields.group(1).equals("cents")) cents = value; else product = value;
        }
        pay(product, cents);
        long order = keep(product, cents);
        byte[] message = ("{\"id\":" + order + "}").getBytes(StandardCharsets.UTF_8);
        synchronized (queue) {
            queue.basicPublish("", "orders", new AMQP.BasicProperties(), message);
        }
        LOG.info("took an order");
        return order;
    }

    private void pay(long product, long cents) throws Exception {
        String body = "{\"order\":\"" + product + "\",\"cents\":" + cents + "}";
        HttpRequest request = HttpRequest.newBuilder(URI.create(paymentsUrl + "/charge"))
                .timeout(Duration.ofSeconds(3))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        int status = http.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
        if (status != 200) throw new IOException("payments answered " + status);
    }

    private long keep(long product, long cents) throws SQLException {
        boolean leaks = Files.exists(LEAK);
        if (!leaks) giveBack();
        Connection connection = database.getConnection();
        try (var insert = connection.prepareStatement(
                "INSERT INTO orders (product, cents) VALUES (?, ?) RETURNING id")) {
            insert.setQueryTimeout(3);
            insert.setLong(1, product);
            insert.setLong(2, cents);
            try (var row = insert.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        } finally {
            release(connection, leaks);
        }
    }

    private synchronized void release(Connection connection, boolean leaks) throws SQLException {
        if (leaks && taken.incrementAndGet() % 8 == 0) {
            leaked.add(connection);
        } else {
            connection.close();
        }
    }

    private synchronized void giveBack() throws SQLException {
        for (Connection kept : leaked) kept.close();
        leaked.clear();
    }
}
