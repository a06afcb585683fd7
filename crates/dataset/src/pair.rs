//! Where a prompt ends and two answers begin.

/// A prompt or an answer, whatever a turn is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<M> {
    /// Text without a chat template.
    Text(String),
    /// Turns of a conversation.
    Turns(Vec<M>),
}

/// A prompt and the two answers behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairParts<M> {
    /// What is asked.
    pub prompt: Part<M>,
    /// The preferred answer, without the prompt.
    pub chosen: Part<M>,
    /// The other one, without the prompt.
    pub rejected: Part<M>,
}

impl<M: PartialEq> PairParts<M> {
    /// Takes the prompt off the answers, by TRL's rules. Without a prompt it is what both answers begin with, but
    /// never the whole of one: equal answers keep their last turn. Turns of a prompt that the answers repeat are
    /// taken off. A prompt's text beside whole conversations, as UltraFeedback-binarized has it, is a turn by
    /// `user` where the conversations have no common beginning.
    ///
    /// # Errors
    ///
    /// A sentence on texts and turns that do not go together.
    pub fn split(
        prompt: Option<Part<M>>,
        chosen: Part<M>,
        rejected: Part<M>,
        user: impl Fn(String) -> M,
    ) -> Result<Self, &'static str> {
        match (prompt, chosen, rejected) {
            (None, Part::Turns(chosen), Part::Turns(rejected)) => {
                let (prompt, chosen, rejected) = without_shared(chosen, rejected);
                Ok(Self::of_turns(prompt, chosen, rejected))
            }
            (Some(Part::Text(asked)), Part::Turns(chosen), Part::Turns(rejected)) => {
                let (mut prompt, chosen, rejected) = without_shared(chosen, rejected);
                if prompt.is_empty() {
                    prompt.push(user(asked));
                }
                Ok(Self::of_turns(prompt, chosen, rejected))
            }
            (Some(Part::Turns(prompt)), Part::Turns(mut chosen), Part::Turns(mut rejected)) => {
                behind(&prompt, &mut chosen);
                behind(&prompt, &mut rejected);
                Ok(Self::of_turns(prompt, chosen, rejected))
            }
            (Some(prompt @ Part::Text(_)), chosen @ Part::Text(_), rejected @ Part::Text(_)) => {
                Ok(PairParts {
                    prompt,
                    chosen,
                    rejected,
                })
            }
            (None, Part::Text(chosen), Part::Text(rejected)) => {
                let at = shared_text(&chosen, &rejected);
                Ok(PairParts {
                    prompt: Part::Text(chosen[..at].to_owned()),
                    chosen: Part::Text(chosen[at..].to_owned()),
                    rejected: Part::Text(rejected[at..].to_owned()),
                })
            }
            (None, _, _) => Err(
                "`chosen` and `rejected` are of two kinds - allowed: two texts or two lists of messages",
            ),
            (Some(_), _, _) => Err(
                "`prompt`, `chosen` and `rejected` do not fit together - allowed: texts, or lists of messages",
            ),
        }
    }

    fn of_turns(prompt: Vec<M>, chosen: Vec<M>, rejected: Vec<M>) -> Self {
        PairParts {
            prompt: Part::Turns(prompt),
            chosen: Part::Turns(chosen),
            rejected: Part::Turns(rejected),
        }
    }
}

/// The turns that both begin with, and what is left.
fn without_shared<M: PartialEq>(
    mut chosen: Vec<M>,
    mut rejected: Vec<M>,
) -> (Vec<M>, Vec<M>, Vec<M>) {
    let shared = chosen
        .iter()
        .zip(&rejected)
        .take_while(|(a, b)| a == b)
        .count();
    // Equal answers: the last turn is the answer all the same.
    let shared = shared.min(chosen.len().min(rejected.len()).saturating_sub(1));
    let prompt = chosen.drain(..shared).collect();
    rejected.drain(..shared);
    (prompt, chosen, rejected)
}

/// Bytes that both begin with.
fn shared_text(chosen: &str, rejected: &str) -> usize {
    let shared: usize = chosen
        .chars()
        .zip(rejected.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    // TRL leaves the space in front of the answers to them.
    if shared < chosen.len().min(rejected.len()) && chosen[..shared].ends_with(' ') {
        shared - 1
    } else {
        shared
    }
}

/// Without the turns of the prompt, where they are repeated.
fn behind<M: PartialEq>(prompt: &[M], answer: &mut Vec<M>) {
    if answer.len() > prompt.len() && answer.starts_with(prompt) {
        answer.drain(..prompt.len());
    }
}
