//! Numbers in JSON, with names for those that JSON lacks.

/// `f64` with `"NaN"`, `"inf"` and `"-inf"` for what JSON lacks.
pub(crate) mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// A number as files hold it.
    #[derive(Clone, Copy)]
    pub(crate) struct Number(pub f64);

    impl Serialize for Number {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let value = self.0;
            if value.is_finite() {
                serializer.serialize_f64(value)
            } else if value.is_nan() {
                serializer.serialize_str("NaN")
            } else if value > 0.0 {
                serializer.serialize_str("inf")
            } else {
                serializer.serialize_str("-inf")
            }
        }
    }

    impl<'de> Deserialize<'de> for Number {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl serde::de::Visitor<'_> for Visitor {
                type Value = Number;
                fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                    formatter.write_str("a number, \"NaN\", \"inf\" or \"-inf\"")
                }
                fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                    Ok(Number(value))
                }
                fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                    Ok(Number(value as f64))
                }
                fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                    Ok(Number(value as f64))
                }
                fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                    match text {
                        "NaN" => Ok(Number(f64::NAN)),
                        "inf" => Ok(Number(f64::INFINITY)),
                        "-inf" => Ok(Number(f64::NEG_INFINITY)),
                        _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                    }
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Number::deserialize(deserializer)?.0)
    }
}

/// `Option<f64>` by the rule of [`number`].
pub(crate) mod optional_number {
    use super::number::Number;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number>::deserialize(deserializer)?.map(|number| number.0))
    }
}

/// Lists of `f64` by the rule of [`number`].
pub(crate) mod numbers {
    use super::number::Number;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        values: &[f64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| Number(*value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Number>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|number| number.0).collect())
    }
}

/// Named lists of `f64` by the rule of [`number`].
pub(crate) mod named_numbers {
    use super::number::Number;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<S: Serializer>(
        values: &BTreeMap<String, Vec<f64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, list)| {
            (
                name,
                list.iter().map(|value| Number(*value)).collect::<Vec<_>>(),
            )
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Vec<f64>>, D::Error> {
        let values = BTreeMap::<String, Vec<Number>>::deserialize(deserializer)?;
        Ok(values
            .into_iter()
            .map(|(name, list)| (name, list.into_iter().map(|number| number.0).collect()))
            .collect())
    }
}
