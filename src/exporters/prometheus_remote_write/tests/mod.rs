mod answer;
mod config;
mod encode;
mod exporter;
mod messages;
mod native;
