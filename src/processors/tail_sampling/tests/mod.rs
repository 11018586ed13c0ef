mod layout;
mod policies;
mod scene;
mod settings;
mod waiting;
