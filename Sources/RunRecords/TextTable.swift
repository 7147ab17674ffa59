/// A text table whose first column is aligned left, the others right.
package struct TextTable {
  private var rows: [[String]]
  private var rules: Set<Int> = [1]

  /// Creates a table with a header and a rule below it.
  package init(header: [String]) {
    rows = [header]
  }

  /// Adds a row of as many cells as the header has.
  package mutating func add(_ cells: [String]) {
    precondition(cells.count == rows[0].count, "\(cells.count) cells for \(rows[0].count) columns")
    rows.append(cells)
  }

  /// Draws a rule above the next row.
  package mutating func addRule() { rules.insert(rows.count) }

  /// The lines of the table, each with a line feed.
  package var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
    return rows.enumerated().map { index, cells in
      let line = cells.enumerated().map { column, cell in
        let gap = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + gap : gap + cell
      }.joined(separator: "  ")
      let trimmed = String(line.reversed().drop { $0 == " " }.reversed())
      return (rules.contains(index) ? rule + "\n" : "") + trimmed + "\n"
    }.joined()
  }
}
