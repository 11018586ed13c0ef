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
