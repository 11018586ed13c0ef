mod merge;
mod names;
mod translate;
