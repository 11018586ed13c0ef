mod bounds;
mod calls;
mod layout;
mod order;
mod paths;
mod scene;
