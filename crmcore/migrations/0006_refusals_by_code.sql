-- Why a row was refused, for machines: JSON [{field, code, detail, params}] in place of a sentence.
-- min_compatible: 2

UPDATE import_refusals SET problem = json_array(
  json_object('field', '', 'code', 'invalid', 'detail', problem, 'params', json_object())
);
