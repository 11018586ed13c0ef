mod hostile;
mod merge;
mod names;
mod translate;
