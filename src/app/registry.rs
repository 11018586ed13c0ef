//! Every component of the program: the tables of the layers side by side.

use component::Registry;

pub(crate) fn registry() -> Registry {
    Registry {
        receivers: receivers::table(),
        processors: processors::processors(),
        connectors: processors::connectors(),
        exporters: exporters::table(),
        extensions: extensions::table(),
    }
}
