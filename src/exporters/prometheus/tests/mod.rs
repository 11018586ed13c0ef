mod classic;
mod exporter;
mod table;
