//! What a broken sender can do to the stages that judge: nothing of it is an anomaly, all of it is counted, and
//! every table stays within its capacity.

mod crowd;
mod jumps;
mod resets;
mod scene;
mod values;
