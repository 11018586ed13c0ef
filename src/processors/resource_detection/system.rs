//! What the files of this machine say of it.

use std::path::Path;

use config::Environment;

use super::detect::{Answer, Known, Value};

pub(super) const KNOWN: [Known; 17] = [
    ("host.name", true),
    ("os.type", true),
    ("host.id", false),
    ("host.arch", false),
    ("host.ip", false),
    ("host.mac", false),
    ("host.interface", false),
    ("os.description", false),
    ("os.name", false),
    ("os.version", false),
    ("os.build.id", false),
    ("host.cpu.vendor.id", false),
    ("host.cpu.family", false),
    ("host.cpu.model.id", false),
    ("host.cpu.model.name", false),
    ("host.cpu.stepping", false),
    ("host.cpu.cache.l2.size", false),
];

const SOURCES: [&str; 2] = ["dns", "os"];

/// Reports sources of the host's name that are not read.
pub(super) fn source_faults(sources: &[String]) -> Vec<(String, String)> {
    let of = |(index, source): (usize, &String)| {
        let message = match source.as_str() {
            "dns" | "os" => return None,
            "cname" | "lookup" => format!(
                "source {source:?} asks a server, which does not happen when the configuration is read; \
                 write dns, which looks into /etc/hosts, or os"
            ),
            _ => format!("{source:?} is no source of a host's name, write one of {}", SOURCES.join(", ")),
        };
        Some((format!("system.hostname_sources.{index}"), message))
    };
    sources.iter().enumerate().filter_map(of).collect()
}

/// Reads what is wanted; what a file does not say is left out, but for the name.
pub(super) fn detect(sources: &[String], wanted: &[&str], environment: &dyn Environment) -> Answer {
    let files = Files(environment);
    let usual = SOURCES.map(str::to_owned);
    let sources = if sources.is_empty() { &usual } else { sources };
    let mut found = Vec::new();
    for &name in wanted {
        let value = match name {
            "host.name" => {
                let name = sources.iter().find_map(|source| match source.as_str() {
                    "dns" => files.full_name(),
                    "os" => host_name(environment),
                    _ => None,
                });
                Some(Value::Text(name.ok_or("all hostname sources failed to get hostname")?))
            }
            "os.type" => Some(Value::Text(os_type().to_owned())),
            "host.arch" => Some(Value::Text(architecture().to_owned())),
            "host.id" => files.id().map(Value::Text),
            "host.ip" => Some(Value::List(files.addresses())),
            "host.mac" => Some(Value::List(files.hardware_addresses())),
            "host.interface" => Some(Value::List(files.interfaces())),
            "os.description" => files.description().map(Value::Text),
            "os.name" => files.release("ID").map(Value::Text),
            "os.version" => files.version().map(Value::Text),
            "os.build.id" => files.release("BUILD_ID").or_else(|| files.kernel("osrelease")).map(Value::Text),
            name => files.of_processor(name),
        };
        found.extend(value.filter(Value::is_said).map(|value| (name.to_owned(), value)));
    }
    Ok(found)
}

/// The name that the kernel knows.
pub(super) fn host_name(environment: &dyn Environment) -> Option<String> {
    Files(environment).kernel("hostname")
}

fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    }
}

/// Spelled as the semantic conventions do.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc32",
        architecture => architecture,
    }
}

impl Value {
    fn is_said(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Int(_) => true,
            Self::List(texts) => !texts.is_empty(),
        }
    }
}

struct Files<'e>(&'e dyn Environment);

impl Files<'_> {
    fn read(&self, path: &str) -> Option<String> {
        self.0.read_file(Path::new(path)).ok()
    }

    fn line(&self, path: &str) -> Option<String> {
        let text = self.read(path)?;
        Some(text.trim().to_owned()).filter(|line| !line.is_empty())
    }

    fn kernel(&self, name: &str) -> Option<String> {
        self.line(&format!("/proc/sys/kernel/{name}"))
    }

    /// Returns the first name of the line of `/etc/hosts` that has the host's name, as far as it is longer than that.
    fn full_name(&self) -> Option<String> {
        let name = self.kernel("hostname")?;
        let hosts = self.read("/etc/hosts")?;
        let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
        let mut names = lines.filter_map(|line| {
            let names: Vec<&str> = line.split_whitespace().skip(1).collect();
            let is_meant = names.iter().any(|known| known.eq_ignore_ascii_case(&name));
            names.first().filter(|_| is_meant).map(|first| (*first).to_owned())
        });
        names.find(|first| first != "localhost")
    }

    fn id(&self) -> Option<String> {
        self.line("/etc/machine-id").or_else(|| self.line("/var/lib/dbus/machine-id"))
    }

    fn release(&self, key: &str) -> Option<String> {
        let text = self.read("/etc/os-release").or_else(|| self.read("/usr/lib/os-release"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    }

    /// Debian's own file says more than the common one.
    fn version(&self) -> Option<String> {
        let is_debian = self.release("ID").is_some_and(|id| id == "debian");
        let own = is_debian.then(|| self.line("/etc/debian_version")).flatten();
        own.or_else(|| self.release("VERSION_ID"))
    }

    /// `Debian GNU/Linux 12 (bookworm) (Linux shop 6.1.0 #1 SMP … x86_64)`.
    fn description(&self) -> Option<String> {
        let parts = ["ostype", "hostname", "osrelease", "version"].map(|name| self.kernel(name));
        let mut kernel: Vec<String> = parts.into_iter().flatten().collect();
        kernel.push(std::env::consts::ARCH.to_owned());
        let name = self.release("PRETTY_NAME").or_else(|| self.release("NAME"))?;
        Some(format!("{name} ({})", kernel.join(" ")))
    }

    /// Network interfaces in the order of their names.
    fn interfaces(&self) -> Vec<String> {
        let mut names = self.0.list_folder(Path::new("/sys/class/net")).unwrap_or_default();
        names.sort();
        names
    }

    /// Those that are up and lead to others.
    fn open_interfaces(&self) -> Vec<String> {
        const UP: u32 = 1;
        const LOOPBACK: u32 = 8;
        let is_open = |name: &String| {
            let flags = self.line(&format!("/sys/class/net/{name}/flags"));
            let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
            flags.is_some_and(|flags| flags & (UP | LOOPBACK) == UP)
        };
        self.interfaces().into_iter().filter(is_open).collect()
    }

    fn hardware_addresses(&self) -> Vec<String> {
        let address = |name: String| self.line(&format!("/sys/class/net/{name}/address"));
        let addresses = self.open_interfaces().into_iter().filter_map(address);
        addresses.map(|address| address.to_uppercase().replace(':', "-")).collect()
    }

    /// The addresses of this machine, first those of four bytes, without those that lead back to it.
    fn addresses(&self) -> Vec<String> {
        let mut found = Vec::new();
        let routes = self.read("/proc/net/fib_trie").unwrap_or_default();
        let mut last = "";
        for line in routes.lines().map(str::trim) {
            if let Some(address) = line.strip_prefix("|-- ") {
                last = address;
            } else if line == "/32 host LOCAL" && !last.starts_with("127.") {
                found.push(last.to_owned());
            }
        }
        found.sort();
        found.dedup();
        let open = self.open_interfaces();
        let of_interfaces = self.read("/proc/net/if_inet6").unwrap_or_default();
        let longer = of_interfaces.lines().filter_map(|line| {
            let mut parts = line.split_whitespace();
            let bits = u128::from_str_radix(parts.next()?, 16).ok()?;
            let name = parts.next_back()?;
            open.iter().any(|known| known == name).then(|| core::net::Ipv6Addr::from_bits(bits).to_string())
        });
        found.extend(longer);
        found
    }

    /// Reads what the first processor says of itself.
    fn of_processor(&self, name: &str) -> Option<Value> {
        let key = match name {
            "host.cpu.vendor.id" => "vendor_id",
            "host.cpu.family" => "cpu family",
            "host.cpu.model.id" => "model",
            "host.cpu.model.name" => "model name",
            "host.cpu.stepping" => "stepping",
            "host.cpu.cache.l2.size" => "cache size",
            _ => return None,
        };
        let text = self.read("/proc/cpuinfo")?;
        let value = text.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            (known.trim() == key).then(|| value.trim().to_owned())
        })?;
        if key == "cache size" {
            return value.split(' ').next()?.parse().ok().map(Value::Int);
        }
        Some(Value::Text(value))
    }
}
