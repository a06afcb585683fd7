//! A trainer over an adapter: the base stays, the adapter learns, and a resumed training has the
//! bits of one that was not interrupted.

use lm::adapters::{Adapter, AdapterSettings, Form};
use lm::decoder::Decoder;
use lm::trained::Trained;
use lm::training::{Decay, RateSchedule, Trainer, TrainerSettings, WarmUp};
use tch::{Device, Kind};

use crate::golden::difference;
use crate::training::{run, untrained};

const LORA: Form = Form::Lora {
    rank: 8,
    alpha: 16.0,
    rank_stabilised: false,
};
const FORMS: [Form; 2] = [
    LORA,
    Form::Miss {
        rank: 8,
        mini: None,
    },
];
const KINDS: [Kind; 2] = [Kind::Float, Kind::BFloat16];

/// A frozen base that was never trained, with a fresh adapter.
fn adapted(kind: Kind, form: Form) -> Decoder {
    let mut decoder = untrained(kind);
    let settings = AdapterSettings {
        form,
        ..AdapterSettings::default()
    };
    let adapter = Adapter::create(&settings, decoder.config(), Device::Cpu, 3).unwrap();
    decoder.attach(adapter).unwrap();
    decoder
}

fn settings(learning_rate: f64) -> TrainerSettings {
    TrainerSettings {
        learning_rate,
        weight_decay: 0.01,
        schedule: RateSchedule {
            decay: Decay::Linear,
            warm_up: WarmUp::Steps(2),
            total_steps: 100,
        },
        ..TrainerSettings::default()
    }
}

#[test]
fn an_adapter_learns_and_its_base_keeps_its_bits() {
    for kind in KINDS {
        for form in FORMS {
            let mut decoder = adapted(kind, form);
            assert_eq!(decoder.trained(), Trained::Adapters);
            let base = decoder.weights().flat().copy();
            let before = decoder.trained_flat().copy();
            let mut trainer = Trainer::new(&decoder, settings(1e-2)).unwrap();
            // An adapter is f32 beside any base, so that it is its own master.
            assert!(trainer.to_arrays("").shape("masters").is_none());
            let losses = run(&mut decoder, &mut trainer, 40);
            assert!(
                losses[39] < 0.8 * losses[0],
                "{kind:?}, {form:?}: {} to {}",
                losses[0],
                losses[39]
            );
            assert_eq!(decoder.weights().flat().kind(), kind);
            assert!(decoder.weights().flat().equal(&base), "{kind:?}, {form:?}");
            assert!(difference(&before, decoder.trained_flat()) > 1e-3);
        }
    }
}

#[test]
fn an_adapter_and_its_trainer_continue_from_files_bit_for_bit() {
    for kind in KINDS {
        let mut decoder = adapted(kind, LORA);
        let mut trainer = Trainer::new(&decoder, settings(5e-3)).unwrap();
        run(&mut decoder, &mut trainer, 4);
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("adapter");
        decoder.adapter().unwrap().save(&saved, "base").unwrap();
        let state = trainer.to_arrays("trainer.");

        let mut resumed = untrained(kind);
        let adapter = Adapter::load(&saved, resumed.config(), Device::Cpu, true).unwrap();
        resumed.attach(adapter).unwrap();
        let mut continued = Trainer::new(&resumed, settings(5e-3)).unwrap();
        continued
            .load_arrays(&mut resumed, &state, "trainer.")
            .unwrap();
        let losses = run(&mut decoder, &mut trainer, 4);
        assert_eq!(losses, run(&mut resumed, &mut continued, 4), "{kind:?}");
        assert!(decoder.trained_flat().equal(resumed.trained_flat()));
        // A trainer of the weights is not one of the adapter.
        let mut whole = untrained(kind);
        let mut other = Trainer::new(&whole, settings(5e-3)).unwrap();
        let message = other
            .load_arrays(&mut whole, &state, "trainer.")
            .unwrap_err();
        assert!(!message.to_string().is_empty());
    }
}
