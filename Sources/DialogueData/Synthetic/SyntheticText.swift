/// The words of the synthetic corpus: short sentences that show an emotion.
enum SyntheticText {
  /// The name of a speaker by number: main characters first, then guests.
  static func name(ofSpeaker speaker: Int) -> String {
    let mainCharacters = ["Ada", "Bruno", "Clara", "Dario", "Elif", "Felix"]
    return speaker < mainCharacters.count
      ? mainCharacters[speaker] : "Guest \(speaker - mainCharacters.count + 1)"
  }

  /// One of the sentences that show an emotion, addressed to a listener.
  ///
  /// - Parameters:
  ///   - emotion: the index of the emotion shown, or nil if the words show none.
  ///   - choice: selects the sentence, 0 or more.
  ///   - listener: the name of the listener.
  static func sentence(emotion: Int?, choice: Int, listener: String) -> String {
    let sentences = emotion.map { byEmotion[$0] } ?? fillers
    return sentences[choice % sentences.count].replacing("NAME", with: listener)
  }

  private static let fillers = [
    "Well, you know, NAME.", "Hmm.", "So, as I was saying...", "Wait, NAME, what was that?",
    "Okay, okay.", "And then, um, yes.",
  ]

  /// In the order of `MELDStatistics.emotions`.
  private static let byEmotion = [
    [
      "The meeting is at four, NAME.", "I left the keys on the kitchen table.",
      "We could take the bus instead.", "NAME, have you seen today's paper?",
      "He works on the second floor.", "I think it is the blue one.",
    ],
    [
      "What? NAME, since when?", "You are kidding me!", "Oh my, I did not see that coming!",
      "NAME, you did what?", "Wait, they are twins?", "No way! Already?",
    ],
    [
      "NAME, I think somebody is in the house.", "Please do not leave me alone here.",
      "What if they find out?", "I can't look. I can't look!", "NAME, something is very wrong.",
      "We are going to crash!",
    ],
    [
      "I really miss her, NAME.", "It is over, and there is nothing I can do.",
      "I thought we would always be friends.", "NAME, I did not get the part.",
      "He left without saying goodbye.", "I just want to go home.",
    ],
    [
      "NAME, I got the job!", "This is the best day ever!", "I am so happy for you, NAME.",
      "We won! We really won!", "That was wonderful, let's do it again.", "She said yes!",
    ],
    [
      "NAME, that is the most revolting thing I ever smelled.", "Ugh, is that hair in the soup?",
      "I am not going to touch that.", "NAME, how can you eat this?", "That is just gross.",
      "Take it away, it makes me sick.",
    ],
    [
      "How dare you, NAME!", "I told you a hundred times not to do that!",
      "Get out of my apartment!", "NAME, you lied to me, again!", "This is so unfair!",
      "I have had enough of this!",
    ],
  ]
}
