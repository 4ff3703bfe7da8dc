//! The tables of a run as Parquet files, for whoever wants types and fewer bytes.
//!
//! Made of the CSV files, row by row: `calls.csv` becomes `calls.parquet`. Whole numbers stay whole numbers where cells
//! are empty, which CSV readers that guess make floating-point. Names and words are stored once (dictionary encoding).

use edge_faas_core::results::{Kind, Manifest, Table};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are in memory at once, and in one row group.
const GROUP: usize = 1 << 16;

/// Why a table could not be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{}: {error}", path.display())]
    Csv {
        path: PathBuf,
        #[source]
        error: csv::Error,
    },
    #[error("{}: {error}", path.display())]
    Parquet {
        path: PathBuf,
        #[source]
        error: ParquetError,
    },
    #[error("{}: row {row}: {column}: `{cell}` is not what the column holds", path.display())]
    Cell { path: PathBuf, row: usize, column: &'static str, cell: String },
}

/// Writes a Parquet file beside each table that the manifest lists.
///
/// # Errors
/// If a table cannot be read or a file not be written.
pub(crate) fn convert(folder: &Path, manifest: &Manifest) -> Result<(), ConvertError> {
    for table in Table::ALL {
        let name = table.file_name();
        if manifest.files.iter().any(|file| file.name == name) {
            let path = folder.join(name);
            one(table, &path, &path.with_extension("parquet"))?;
        }
    }
    Ok(())
}

/// The cells of a column in one row group: the values that there are, and for each row whether there is one.
struct Column {
    name: &'static str,
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Flag(Vec<bool>),
}

impl Column {
    fn new(name: &'static str, kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Column { name, values, levels: Vec::new() }
    }

    /// The column in the file's schema.
    fn schema(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = match self.values {
            Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            // A seed may need all 64 bits; everything else is far below.
            Values::Integer(_) if self.name == "seed" => {
                (Physical::INT64, Some(LogicalType::integer(64, false)))
            }
            Values::Integer(_) => (Physical::INT64, None),
            Values::Real(_) => (Physical::DOUBLE, None),
            Values::Flag(_) => (Physical::BOOLEAN, None),
        };
        Type::primitive_type_builder(self.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
    }

    /// Takes a cell; none if it does not hold what the column does.
    fn take(&mut self, cell: &str) -> Option<()> {
        self.levels.push(i16::from(!cell.is_empty()));
        if cell.is_empty() {
            return Some(());
        }
        match &mut self.values {
            Values::Text(values) => values.push(cell.as_bytes().to_vec().into()),
            // An unsigned number has the bits of a signed one in the file.
            Values::Integer(values) if self.name == "seed" => values.push(cell.parse::<u64>().ok()? as i64),
            Values::Integer(values) => values.push(cell.parse().ok()?),
            Values::Real(values) => values.push(cell.parse().ok()?),
            Values::Flag(values) => values.push(cell.parse().ok()?),
        }
        Some(())
    }

    /// Writes the cells as the next column of a row group, and forgets them.
    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<(), ParquetError> {
        match &mut self.values {
            Values::Text(values) => put::<ByteArrayType>(group, values, &self.levels)?,
            Values::Integer(values) => put::<Int64Type>(group, values, &self.levels)?,
            Values::Real(values) => put::<DoubleType>(group, values, &self.levels)?,
            Values::Flag(values) => put::<BoolType>(group, values, &self.levels)?,
        }
        self.levels.clear();
        Ok(())
    }
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("the file has fewer columns".into()))?;
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    column.close()
}

fn one(table: Table, from: &Path, to: &Path) -> Result<(), ConvertError> {
    let unread = |error| ConvertError::Csv { path: from.to_owned(), error };
    let unwritten = |error| ConvertError::Parquet { path: to.to_owned(), error };
    let mut columns: Vec<Column> =
        table.all_columns().map(|column| Column::new(column.name, column.kind)).collect();
    let fields = columns.iter().map(|column| column.schema().map(Arc::new));
    let fields = fields.collect::<Result<Vec<_>, _>>().map_err(unwritten)?;
    let schema = Type::group_type_builder("row").with_fields(fields).build().map_err(unwritten)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create_new(to).map_err(|error| ConvertError::Io { path: to.to_owned(), error })?;
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(unwritten)?;

    let mut rows = csv::Reader::from_path(from).map_err(unread)?;
    let mut row = csv::StringRecord::new();
    let mut taken = 0;
    loop {
        let more = rows.read_record(&mut row).map_err(unread)?;
        if more {
            for (column, cell) in columns.iter_mut().zip(&row) {
                column.take(cell).ok_or_else(|| ConvertError::Cell {
                    path: from.to_owned(),
                    row: taken + 1,
                    column: column.name,
                    cell: cell.chars().take(40).collect(),
                })?;
            }
            taken += 1;
        }
        let is_full = taken > 0 && taken % GROUP == 0;
        let is_last = !more && taken % GROUP > 0;
        if (more && is_full) || is_last {
            let mut group = writer.next_row_group().map_err(unwritten)?;
            for column in &mut columns {
                column.write(&mut group).map_err(unwritten)?;
            }
            group.close().map_err(unwritten)?;
        }
        if !more {
            break;
        }
    }
    writer.close().map_err(unwritten)?;
    Ok(())
}
