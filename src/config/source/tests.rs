use std::io::{ErrorKind, Write};

use crate::{Environment, MAX_SOURCE_BYTES, SystemEnvironment};

#[test]
fn files_are_read_whole_up_to_the_limit() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'#'; MAX_SOURCE_BYTES]).unwrap();
    assert_eq!(SystemEnvironment.read_file(file.path()).unwrap().len(), MAX_SOURCE_BYTES);
    file.write_all(b"#").unwrap();
    assert_eq!(SystemEnvironment.read_file(file.path()).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn what_is_not_text_or_not_there_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(SystemEnvironment.read_file(file.path()).unwrap_err().kind(), ErrorKind::InvalidData);
    let missing = file.path().with_extension("missing");
    assert_eq!(SystemEnvironment.read_file(&missing).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn variables_that_are_not_set_are_none() {
    assert!(SystemEnvironment.variable("CARGO_PKG_NAME_THAT_NOBODY_SETS").is_none());
    assert_eq!(SystemEnvironment.variable("CARGO_PKG_NAME").as_deref(), option_env!("CARGO_PKG_NAME"));
}

#[cfg(unix)]
#[test]
fn programs_of_this_machine_are_asked_over_their_sockets() {
    use std::{io::Read, os::unix::net::UnixListener, time::Duration};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("it.sock");
    let ask = |path: &str| SystemEnvironment.ask(&socket, path, Duration::from_secs(10));
    assert_eq!(ask("/").unwrap_err().kind(), ErrorKind::NotFound);
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = ["HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"Name\": 1}", "HTTP/1.0 404 Not Found\r\n\r\n", "none"];
    let asked = std::thread::spawn(move || {
        answers.map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap().lines().next().unwrap().to_owned()
        })
    });
    assert_eq!(ask("/info").unwrap(), "{\"Name\": 1}");
    assert_eq!(ask("/none").unwrap_err().to_string(), "the answer has status 404");
    assert_eq!(ask("/odd").unwrap_err().to_string(), "the answer is no HTTP");
    assert_eq!(asked.join().unwrap(), ["GET /info HTTP/1.0", "GET /none HTTP/1.0", "GET /odd HTTP/1.0"]);
}
