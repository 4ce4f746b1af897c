use flare_agent_sys as sys;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UploadState {
    /// Nothing was fetched yet.
    #[default]
    Waiting,
    Active,
    Delivered,
    Failed,
}

/// How far an upload is, or one receiver of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub state: UploadState,
    pub bytes_total: i64,
    pub bytes_done: i64,
    pub items_total: i64,
    pub items_done: i64,
    pub bytes_per_second: f64,
    /// Counts what there was to see.
    pub changes: i64,
}

/// One of those who fetch a result.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Empty when the peer alone is the receiver.
    pub name: String,
    pub progress: Progress,
}

impl Progress {
    pub(crate) fn raw(changes: i64) -> sys::flare_progress {
        sys::flare_progress {
            struct_size: std::mem::size_of::<sys::flare_progress>() as u32,
            state: 0,
            bytes_total: 0,
            bytes_done: 0,
            items_total: 0,
            items_done: 0,
            bytes_per_second: 0.0,
            changes,
        }
    }

    pub(crate) fn from_raw(raw: &sys::flare_progress) -> Self {
        Progress {
            state: match raw.state {
                sys::FLARE_UPLOAD_ACTIVE => UploadState::Active,
                sys::FLARE_UPLOAD_DELIVERED => UploadState::Delivered,
                sys::FLARE_UPLOAD_FAILED => UploadState::Failed,
                _ => UploadState::Waiting,
            },
            bytes_total: raw.bytes_total,
            bytes_done: raw.bytes_done,
            items_total: raw.items_total,
            items_done: raw.items_done,
            bytes_per_second: raw.bytes_per_second,
            changes: raw.changes,
        }
    }
}
