//! Names of entities: two words each, from small lists, so that a tokenizer of words knows every word while most
//! names are combinations that no training has shown.

use super::random::hash;

/// What an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// First name and surname.
    Person,
    /// `Port Velda`.
    City,
    /// `Silent Harvest`.
    Film,
    /// `Argon Works`.
    Company,
    /// `Upper Arland`.
    Country,
}

/// Which entities, and which compositions of relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// To learn from.
    Train,
    /// Names, and compositions of relations, that training never shows.
    HeldOut,
}

impl Split {
    /// The name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
        }
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Person,
        Self::City,
        Self::Film,
        Self::Company,
        Self::Country,
    ];

    /// The words that may come first, and those that may come second.
    pub fn words(self) -> [&'static [&'static str]; 2] {
        match self {
            Self::Person => [FIRST_NAMES, SURNAMES],
            Self::City => [CITY_FIRST, CITY_SECOND],
            Self::Film => [FILM_FIRST, FILM_SECOND],
            Self::Company => [COMPANY_FIRST, COMPANY_SECOND],
            Self::Country => [COUNTRY_FIRST, COUNTRY_SECOND],
        }
    }

    /// All names of one side of the split, in a fixed order. Three in ten are held out, told by a hash of the name: on
    /// the same side in every world, whatever its seed.
    pub fn names(self, split: Split) -> Vec<(&'static str, &'static str)> {
        let [first, second] = self.words();
        let pairs = first
            .iter()
            .flat_map(|one| second.iter().map(move |two| (*one, *two)));
        pairs
            .filter(|(one, two)| split_of(one, two) == split)
            .collect()
    }
}

/// The side of one name.
pub fn split_of(first: &str, second: &str) -> Split {
    if hash(&format!("{first} {second}")) % 10 < 3 {
        Split::HeldOut
    } else {
        Split::Train
    }
}

const FIRST_NAMES: &[&str] = &[
    "Ada", "Adam", "Agnes", "Albert", "Alice", "Alma", "Amos", "Anna", "Anton", "Arthur", "Astrid",
    "Aurora", "Basil", "Bella", "Boris", "Bruno", "Carla", "Carlos", "Celia", "Clara", "Conrad",
    "Cora", "Dagmar", "Daniel", "Daria", "David", "Diana", "Dora", "Edgar", "Edith", "Edmund",
    "Elena", "Elias", "Elsa", "Emil", "Emma", "Erik", "Esther", "Felix", "Fiona", "Flora", "Frank",
    "Frieda", "Gerda", "Gilbert", "Greta", "Gustav", "Hanna", "Harald", "Hector", "Helena",
    "Henry", "Hilda", "Hugo", "Ida", "Igor", "Ines", "Iris", "Isaac", "Ivan", "Jacob", "Jana",
    "Jasper", "Judith", "Julia", "Karin", "Kaspar", "Klara", "Lars", "Laura", "Leo", "Lidia",
    "Linus", "Lucas", "Lydia", "Magda", "Marcus", "Maria", "Martin", "Mira", "Nadia", "Nina",
    "Noah", "Nora", "Olga", "Oscar", "Otto", "Paula", "Peter", "Petra", "Ralph", "Rosa", "Rufus",
    "Sara", "Simon", "Sofia", "Thea", "Victor", "Vera", "Walter",
];

const SURNAMES: &[&str] = &[
    "Abel", "Adler", "Arden", "Bach", "Baker", "Barlow", "Becker", "Berg", "Blake", "Bloom",
    "Bolt", "Brandt", "Burke", "Carver", "Clay", "Cole", "Conway", "Crane", "Dahl", "Dalton",
    "Decker", "Doyle", "Drake", "Ebner", "Eklund", "Ellis", "Engel", "Ester", "Falk", "Farrow",
    "Finch", "Fisher", "Flint", "Frost", "Fuchs", "Gale", "Garner", "Geller", "Glass", "Grant",
    "Gruber", "Haas", "Hale", "Hammer", "Hardy", "Hart", "Hedge", "Holm", "Horn", "Huber", "Ibsen",
    "Irving", "Jansen", "Jarvis", "Keller", "Kemp", "Klein", "Koch", "Kramer", "Lang", "Larsen",
    "Lehman", "Lind", "Loft", "Lowe", "Mann", "Marsh", "Mercer", "Moss", "Nagel", "Nash",
    "Nielsen", "North", "Oakes", "Olsen", "Osborn", "Page", "Palmer", "Pike", "Porter", "Quist",
    "Rask", "Reed", "Renner", "Richter", "Roth", "Sander", "Sharp", "Stark", "Stone", "Strand",
    "Thorn", "Turner", "Vance", "Vogel", "Wagner", "Weber", "Weiss", "Winter", "Wolf",
];

const CITY_FIRST: &[&str] = &[
    "Port", "Fort", "Saint", "Mount", "Lake", "Bad", "Old", "New", "Great", "Little", "High",
    "Low", "East", "West", "Castle", "Bridge", "Cape", "Glen", "Royal", "Market",
];

const CITY_SECOND: &[&str] = &[
    "Velda", "Marn", "Torvik", "Sella", "Orin", "Brasko", "Lunde", "Kessel", "Dunmor", "Havren",
    "Istra", "Jorvik", "Kalmo", "Lorient", "Morava", "Nesbo", "Ostrel", "Pellen", "Quarn",
    "Rosvik", "Salva", "Tarmo", "Ulven", "Varga", "Wendel", "Yarrow", "Zelma", "Andor", "Belmar",
    "Corvo", "Delvin", "Estrel", "Fennik", "Galdor", "Hollen", "Ivarn", "Juno", "Karvel", "Lisbor",
    "Mirren",
];

const FILM_FIRST: &[&str] = &[
    "Silent",
    "Golden",
    "Broken",
    "Hidden",
    "Crimson",
    "Distant",
    "Frozen",
    "Hollow",
    "Endless",
    "Burning",
    "Secret",
    "Lonely",
    "Savage",
    "Gentle",
    "Painted",
    "Restless",
    "Stolen",
    "Velvet",
    "Wandering",
    "Bitter",
    "Empty",
    "Electric",
    "Fading",
    "Second",
    "Wild",
    "Paper",
    "Iron",
    "Marble",
    "Midnight",
    "Final",
];

const FILM_SECOND: &[&str] = &[
    "Harvest",
    "River",
    "Garden",
    "Mirror",
    "Voyage",
    "Orchard",
    "Empire",
    "Lantern",
    "Shadow",
    "Sonata",
    "Harbor",
    "Desert",
    "Winterland",
    "Promise",
    "Letter",
    "Circus",
    "Tower",
    "Island",
    "Carnival",
    "Station",
    "Theatre",
    "Sparrow",
    "Tiger",
    "Kingdom",
    "Feather",
    "Journey",
    "Summer",
    "Thunder",
    "Window",
    "Stranger",
];

const COMPANY_FIRST: &[&str] = &[
    "Argon", "Beacon", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Helix", "Indigo",
    "Juniper", "Keystone", "Lunar", "Meridian", "Nova", "Onyx", "Pioneer", "Quartz", "Radian",
    "Summit", "Titan", "Umbra", "Vector", "Willow", "Xenon", "Zephyr",
];

const COMPANY_SECOND: &[&str] = &[
    "Works", "Labs", "Pictures", "Motors", "Press", "Foods", "Systems", "Textiles", "Mills",
    "Records", "Airways", "Energy", "Studios", "Brothers", "Media", "Optics", "Steel", "Robotics",
    "Banking", "Trading",
];

const COUNTRY_FIRST: &[&str] = &[
    "Upper", "Lower", "Northern", "Southern", "Eastern", "Western", "Greater", "Central", "United",
    "Free",
];

const COUNTRY_SECOND: &[&str] = &[
    "Arland", "Belmark", "Cordia", "Drovia", "Elbia", "Frelund", "Garia", "Hestia", "Ilvia",
    "Jutmark", "Kelonia", "Lorvia", "Mardia", "Norvia", "Ostania",
];
