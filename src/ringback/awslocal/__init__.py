"""A home on one machine for any SAM or CloudFormation template: gateway, functions, event sources.

What belongs here: what AWS itself does around functions. Queues, tables, topics, buckets and buses
are kept by moto's server. Nothing here knows of Ringback's own application code.
"""
