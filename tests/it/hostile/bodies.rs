//! Requests that are not what they seem.

use std::io::Write;

use anyhow::{Result, ensure};
use wire::build::{Attributes, Span, SpansWriter};

use super::bed::{Attack, Bed};

pub(super) const ATTACKS: [Attack; 8] = [
    Attack { name: "gzip bomb", sent: "256 MiB in 256 KiB, 8 times", max_connections: 0, run: gzip },
    Attack { name: "zstd bomb", sent: "1 GiB in 33 KiB, 8 times", max_connections: 0, run: zstd },
    Attack { name: "snappy bomb", sent: "256 MiB in 12 MiB, 8 times", max_connections: 0, run: snappy },
    Attack {
        name: "a lie about the size",
        sent: "snappy that says it is 4 GiB, in 100 bytes, 100 times",
        max_connections: 0,
        run: snappy_lie,
    },
    Attack {
        name: "values within values",
        sent: "100,000 deep, in protobuf and in JSON",
        max_connections: 0,
        run: nesting,
    },
    Attack {
        name: "a million attributes",
        sent: "one span with 1,000,000 attributes",
        max_connections: 0,
        run: attributes,
    },
    Attack {
        name: "messages with nothing in them",
        sent: "empty resources, scopes, spans and log records, 16 million of each in 32 MiB, a sixteenth without optimisation",
        max_connections: 0,
        run: emptiness,
    },
    Attack {
        name: "numbers that do not end",
        sent: "varints of 11 bytes, lengths beyond the end, 1 MiB of 0xff, a request cut anywhere: 400 requests",
        max_connections: 0,
        run: varints,
    },
];

const PROTOBUF: &str = "application/x-protobuf";

/// Posts something several times, which must be answered alike.
fn always(bed: &Bed, encoding: &str, body: &[u8], times: usize, status: &str) -> Result<String> {
    for _ in 0..times {
        let answered = bed.post("logs", PROTOBUF, encoding, body)?;
        ensure!(answered == status, "{} bytes of {encoding} were answered {answered}", body.len());
    }
    Ok(status.to_owned())
}

fn gzip(bed: &Bed) -> Result<String> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..256 {
        gzip.write_all(&vec![0; 1 << 20])?;
    }
    always(bed, "gzip", &gzip.finish()?, 8, "413")
}

fn zstd(bed: &Bed) -> Result<String> {
    let mut zstd = zstd::Encoder::new(Vec::new(), 1)?;
    for _ in 0..1024 {
        zstd.write_all(&vec![0; 1 << 20])?;
    }
    always(bed, "zstd", &zstd.finish()?, 8, "413")
}

/// A length, one letter, and copies of 64 bytes of what is one byte back.
fn snappy(bed: &Bed) -> Result<String> {
    const COPIES: u64 = 4 << 20;
    let mut bomb = Vec::new();
    varint(64 * COPIES + 1, &mut bomb);
    bomb.extend([0, b'x']);
    bomb.extend([63 << 2 | 2, 1, 0].repeat(COPIES as usize));
    always(bed, "snappy", &bomb, 8, "413")
}

fn snappy_lie(bed: &Bed) -> Result<String> {
    let mut lie = Vec::new();
    varint(u64::from(u32::MAX), &mut lie);
    lie.extend([0; 95]);
    let mut statuses = std::collections::BTreeSet::new();
    for _ in 0..100 {
        statuses.insert(bed.post("logs", PROTOBUF, "snappy", &lie)?);
    }
    ensure!(statuses.iter().all(|status| status == "400" || status == "413"), "{statuses:?}");
    Ok(statuses.into_iter().collect::<Vec<_>>().join(", "))
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn nesting(bed: &Bed) -> Result<String> {
    // Body of a record: an array of an array of … in protobuf, from the innermost out, backwards.
    let mut backwards: Vec<u8> = Vec::new();
    let wrap = |field: u8, backwards: &mut Vec<u8>| {
        let mut prefix = vec![field << 3 | 2];
        varint(backwards.len() as u64, &mut prefix);
        backwards.extend(prefix.iter().rev());
    };
    for _ in 0..100_000 {
        // ArrayValue.values, AnyValue.array_value.
        wrap(1, &mut backwards);
        wrap(5, &mut backwards);
    }
    // LogRecord.body, ScopeLogs.log_records, ResourceLogs.scope_logs, resource_logs.
    for field in [5, 2, 2, 1] {
        wrap(field, &mut backwards);
    }
    backwards.reverse();
    let value = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(100_000), "]}}".repeat(100_000));
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#);
    for (kind, body) in [(PROTOBUF, &backwards[..]), ("application/json", json.as_bytes())] {
        let status = bed.post("logs", kind, "identity", body)?;
        ensure!(status == "400", "{kind} was answered {status}");
    }
    Ok("400".to_owned())
}

fn attributes(bed: &Bed) -> Result<String> {
    let (mut resource, mut many, mut writer) = (Attributes::new(), Attributes::new(), SpansWriter::new());
    resource.push_str("service.name", "shop");
    for number in 0..1_000_000 {
        many.push_int(&format!("attribute.{number}"), number);
    }
    writer.resource(&resource);
    writer.scope("hostile", "");
    writer.span(&Span {
        trace_id: [1; 16],
        span_id: [1; 8],
        trace_state: "",
        parent_id: None,
        name: "GET /",
        kind: 2,
        start: 1,
        end: 2,
        attributes: &many,
        events: &[],
        links: &[],
        status: 0,
        status_message: "",
        flags: 0,
    });
    let status = bed.post("traces", PROTOBUF, "identity", &writer.take())?;
    ensure!(status == "200" || status == "400", "it was answered {status}");
    Ok(status)
}

fn emptiness(bed: &Bed) -> Result<String> {
    // Without optimisation all of them would take a shard longer than its health allows.
    const HALF: usize = if cfg!(debug_assertions) { 1 << 20 } else { 16 << 20 };
    let within = |fields: &[u8], mut body: Vec<u8>| {
        for field in fields {
            let mut outer = vec![field << 3 | 2];
            varint(body.len() as u64, &mut outer);
            outer.extend(&body);
            body = outer;
        }
        body
    };
    let bodies = [
        ("traces", within(&[], [0x0a, 0].repeat(HALF))),
        ("traces", within(&[1], [0x12, 0].repeat(HALF))),
        ("traces", within(&[2, 1], [0x12, 0].repeat(HALF))),
        ("logs", within(&[2, 1], [0x12, 0].repeat(HALF))),
    ];
    let mut statuses = Vec::new();
    for (signal, body) in &bodies {
        let status = bed.post(signal, PROTOBUF, "identity", body)?;
        let must = if *signal == "traces" { "400" } else { "200" };
        ensure!(status == must, "empty {signal} were answered {status}");
        statuses.push(status);
    }
    Ok(statuses.join(", "))
}

fn varints(bed: &Bed) -> Result<String> {
    let request = wire::testing::trace_request(3, 40);
    let endless = [&[0x0a][..], &[0x80; 11], &[1]].concat();
    let beyond = [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let ones = vec![0xff; 1 << 20];
    let cut = |at: usize| request[..request.len() * (at % 97 + 1) / 99].to_vec();
    let bodies = [endless, beyond.to_vec(), ones];
    for at in 0..400 {
        let body = bodies.get(at % 4).cloned().unwrap_or_else(|| cut(at));
        let status = bed.post("traces", PROTOBUF, "identity", &body)?;
        ensure!(status == "400", "{} bytes were answered {status}", body.len());
    }
    Ok("400".to_owned())
}
