//! TensorBoard files, written with the crate's record writer and message types.
//!
//! tensorboard-rs's `SummaryWriter` is not used: it writes from a thread of its own that
//! panics when the disk is full, panics the caller with it and aborts the process in its
//! destructor; two of them in one second overwrite each other's file; and what its
//! queue holds is lost at exit. Its `RecordWriter` and its scalar summaries have none of
//! these faults, so this sink frames records in memory and appends them to its own file.
//!
//! `tb/` is derived from `events.jsonl`: when a run resumes from a checkpoint the sink
//! writes it anew without the points that the resume made void.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protobuf::well_known_types::Value;
use protobuf::{Message, RepeatedField};
use tensorboard_proto::api::Status as SessionStatus;
use tensorboard_proto::event::{
    Event as Record, SessionLog, SessionLog_SessionStatus as SessionLogStatus,
};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::{
    Summary, Summary_Value as SummaryValue, SummaryMetadata,
    SummaryMetadata_PluginData as PluginData,
};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim as Dimension};
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use crate::event::{EvaluationPurpose, Event, EventKind, HyperParameter, Progress};
use crate::history::Boundaries;
use crate::run_folder::RunFolder;
use crate::sink::Sink;
use crate::status::RunState;

/// Bytes to gather before a write.
const WRITE_BLOCK: usize = 64 * 1024;

/// Appends scalars, texts, evaluations (as `evaluation/return_mean` and
/// `evaluation/length_mean`, or `absolute/..`) and hyper-parameters to `tb/`.
pub struct TensorBoardSink {
    folder: PathBuf,
    events: PathBuf,
    file: RecordFile,
}

impl TensorBoardSink {
    /// Starts a file of its own in `tb/`.
    ///
    /// # Errors
    /// The folder or file cannot be made.
    pub fn create(run: &RunFolder) -> io::Result<Self> {
        let folder = run.tensorboard();
        fs::create_dir_all(&folder)?;
        let mut file = RecordFile::create(&folder)?;
        file.flush()?;
        Ok(Self {
            folder,
            events: run.events(),
            file,
        })
    }

    /// Writes `tb/` anew from the events up to the resume, then removes older files.
    fn rebuild(&mut self, resumed: &Event) -> io::Result<()> {
        let mut boundaries = Boundaries::read(&self.events).map_err(io::Error::other)?;
        boundaries.note(resumed);
        let mut file = RecordFile::create(&self.folder)?;
        file.append(&restart_record())?;
        let mut outcome = Ok(());
        crate::EventReader::open(&self.events)
            .poll_into(&mut |event| {
                if outcome.is_ok() && event.sequence < resumed.sequence && boundaries.keep(&event) {
                    outcome = append_event(&mut file, &event);
                }
            })
            .map_err(io::Error::other)?;
        outcome?;
        file.flush()?;
        self.file = file;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let ours = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().contains("tfevents"));
            if ours && path != self.file.path {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

impl Sink for TensorBoardSink {
    fn name(&self) -> &'static str {
        "tensorboard"
    }

    fn write(&mut self, event: &Event, _line: &str) -> io::Result<()> {
        if matches!(event.kind, EventKind::Resumed { .. }) {
            return self.rebuild(event);
        }
        append_event(&mut self.file, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.file.sync_data()
    }
}

fn append_event(file: &mut RecordFile, event: &Event) -> io::Result<()> {
    match &event.kind {
        EventKind::Scalar {
            name, value, step, ..
        } => file.summary(event.time, *step, scalar(name, *value as f32)),
        EventKind::Text {
            name, text, step, ..
        } => file.summary(event.time, *step, text_summary(name, text)),
        EventKind::Evaluation {
            purpose,
            progress,
            returns,
            lengths,
            extra,
            ..
        } => {
            let group = match purpose {
                EvaluationPurpose::Interval => "evaluation",
                EvaluationPurpose::Absolute => "absolute",
            };
            let length = crate::measure::mean_length(lengths, extra);
            for (name, values, mean) in [
                (
                    "return_mean",
                    returns.len(),
                    crate::statistics::mean(returns),
                ),
                ("length_mean", lengths.len(), length),
            ] {
                if values > 0 {
                    file.summary(
                        event.time,
                        progress.step,
                        scalar(&format!("{group}/{name}"), mean as f32),
                    )?;
                }
            }
            Ok(())
        }
        EventKind::Hparams { values } => {
            let mut start = SessionStartInfo::new();
            start.set_hparams(
                values
                    .iter()
                    .map(|(name, value)| (name.clone(), typed(value)))
                    .collect::<HashMap<_, _>>(),
            );
            start.set_start_time_secs(event.time);
            let mut data = HParamsPluginData::new();
            data.set_session_start_info(start);
            file.summary(
                event.time,
                0,
                hparams_summary("_hparams_/session_start_info", &data)?,
            )
        }
        EventKind::Finished {
            outcome,
            progress: Progress { step, .. },
            ..
        } => {
            let mut end = SessionEndInfo::new();
            end.set_status(match outcome {
                RunState::Finished => SessionStatus::STATUS_SUCCESS,
                _ => SessionStatus::STATUS_FAILURE,
            });
            end.set_end_time_secs(event.time);
            let mut data = HParamsPluginData::new();
            data.set_session_end_info(end);
            file.summary(
                event.time,
                *step,
                hparams_summary("_hparams_/session_end_info", &data)?,
            )
        }
        _ => Ok(()),
    }
}

fn typed(value: &HyperParameter) -> Value {
    let mut typed = Value::new();
    match value {
        HyperParameter::Switch(switch) => typed.set_bool_value(*switch),
        HyperParameter::Number(number) => typed.set_number_value(*number),
        HyperParameter::Text(text) => typed.set_string_value(text.clone()),
    }
    typed
}

fn text_summary(name: &str, text: &str) -> Summary {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(shape(1));
    tensor.set_string_val(RepeatedField::from_vec(vec![text.as_bytes().to_vec()]));
    plugin_summary(name, "text", Vec::new(), tensor)
}

fn hparams_summary(tag: &str, data: &HParamsPluginData) -> io::Result<Summary> {
    // TensorBoard 2 ignores values without a tensor; its own writer sends an empty one.
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_FLOAT);
    tensor.set_tensor_shape(shape(0));
    let content = data.write_to_bytes().map_err(io::Error::other)?;
    Ok(plugin_summary(tag, "hparams", content, tensor))
}

fn plugin_summary(tag: &str, plugin: &str, content: Vec<u8>, tensor: TensorProto) -> Summary {
    let mut plugin_data = PluginData::new();
    plugin_data.set_plugin_name(plugin.to_owned());
    plugin_data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(plugin_data);
    let mut value = SummaryValue::new();
    value.set_tag(tag.to_owned());
    value.set_metadata(metadata);
    value.set_tensor(tensor);
    let mut summary = Summary::new();
    summary.set_value(RepeatedField::from_vec(vec![value]));
    summary
}

fn shape(length: i64) -> TensorShapeProto {
    let mut dimension = Dimension::new();
    dimension.set_size(length);
    let mut shape = TensorShapeProto::new();
    shape.set_dim(RepeatedField::from_vec(vec![dimension]));
    shape
}

/// Tells a TensorBoard that watches the folder to forget what it read from older files.
fn restart_record() -> Record {
    let mut log = SessionLog::new();
    log.set_status(SessionLogStatus::START);
    let mut record = Record::new();
    record.set_wall_time(crate::unix_seconds());
    record.set_step(0);
    record.set_session_log(log);
    record
}

/// One event file: framed records, appended whole.
struct RecordFile {
    path: PathBuf,
    file: File,
    waiting: Vec<u8>,
}

impl RecordFile {
    fn create(folder: &Path) -> io::Result<Self> {
        let seconds = crate::unix_seconds() as u64;
        let pid = std::process::id();
        let mut number = 0_u32;
        let (path, file) = loop {
            // TensorBoard reads the files of a folder in the order of their names.
            let name = format!("events.out.tfevents.{seconds:010}.concord.{pid:010}.{number:04}");
            let path = folder.join(name);
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let mut started = Self {
            path,
            file,
            waiting: Vec::new(),
        };
        let mut version = Record::new();
        version.set_wall_time(crate::unix_seconds());
        version.set_file_version("brain.Event:2".to_owned());
        started.append(&version)?;
        Ok(started)
    }

    fn summary(&mut self, time: f64, step: u64, summary: Summary) -> io::Result<()> {
        let mut record = Record::new();
        record.set_wall_time(time);
        record.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        record.set_summary(summary);
        self.append(&record)
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let bytes = record.write_to_bytes().map_err(io::Error::other)?;
        RecordWriter::new(&mut self.waiting).write(&bytes)?;
        if self.waiting.len() >= WRITE_BLOCK {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// After an error the file ends in a whole record if the disk lets it be cut.
    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let whole = self.file.metadata()?.len();
        self.file.write_all(&self.waiting).inspect_err(|_| {
            let _ = self.file.set_len(whole);
        })?;
        self.waiting.clear();
        Ok(())
    }
}
